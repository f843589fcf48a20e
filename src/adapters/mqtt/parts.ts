import { alarmPart } from './alarms/alarm-part.ts';
import { commandsPart } from './commands/commands.ts';
import { homeAssistantPart } from './home-assistant/home-assistant.ts';
import { leftoverPart } from './leftover-part.ts';
import type { CreatePart } from './part.ts';
import { peersPart } from './peers-part.ts';
import { rolePart } from './role-part.ts';
import { statisticsPart } from './statistics-part.ts';

/** All that a host says and does on the bus, in the order in which a new connection is told. Presence comes before. */
export const PARTS: readonly CreatePart[] = [
  rolePart,
  peersPart,
  alarmPart,
  statisticsPart,
  commandsPart,
  leftoverPart,
  homeAssistantPart,
];

/**
 * Commands over MQTT: off unless `mqtt.commands` says otherwise. Nobody knows who sends a message, so the broker's access
 * rules decide who may; what is obeyed here is bounded all the same, and everything else is refused with the reason.
 *
 * A refusal costs a few lookups, one message that need not arrive, and a number: floods change nothing, not even memory.
 */
import type { CarpEvent } from '../../../engine/status.ts';
import { CarpError, type Problem, problemOf } from '../../../ports/error.ts';
import type { CreatePart, Incoming, PartContext } from '../part.ts';
import { commandsOf } from '../settings.ts';
import { groupTopic, memberPath } from '../topics.ts';
import { createBudget } from './commands-budget.ts';
import {
  type Aim,
  aimOf,
  type CommandId,
  commandFilters,
  type Order,
  PAYLOAD_BYTES_MAX,
  readOrder,
  TOPIC_LENGTH_MAX,
} from './commands-order.ts';
import { type CommandError, type CommandResult, type ReplyTo, replyTo, resultTopic } from './commands-reply.ts';
import { createTurns } from './commands-turns.ts';

/** How many commands wait while others to the same groups are under way. */
export const WAITING_MAX = 8;
/** More than an agent has groups, then 25 a second: whoever may command may not exhaust. */
export const OBEYED = { burst: 256, perSecond: 25 } as const;

/** Why a command is not even tried; besides the codes of ports/error.ts. */
export const REFUSALS = [
  'CARP_RETAINED',
  'CARP_NOT_ALLOWED',
  'CARP_NO_COMMAND',
  'CARP_PAYLOAD',
  'CARP_RESPONSE_TOPIC',
  'CARP_BUSY',
] as const;

type Refusal = Omit<CommandError, 'code'> & { readonly code: (typeof REFUSALS)[number] | Problem['code'] };

/** A command on its way: what is answered, and where. */
interface Request {
  readonly aim: Aim;
  readonly id?: CommandId;
  readonly reply: ReplyTo;
}

export const commandsPart: CreatePart = (context) => {
  const { settings, scope, host, voice, now, wallClock, log } = context;
  const allowed = commandsOf(settings);
  const turns = createTurns(WAITING_MAX);
  const mayObey = createBudget({ ...OBEYED, now });
  const obey = obeying(context);
  /** Topics of ours on which something is retained: the empty message that takes it away is no command. */
  const retained = new Set<string>();
  let refused = 0;

  const answer = ({ aim, id, reply }: Request, outcome: Pick<CommandResult, 'ok' | 'result' | 'error'>, qos: 0 | 1) => {
    const { command = aim.leaf, group } = aim;
    const at = wallClock().toISOString();
    const result: CommandResult = { ...given(id), command, group, node: host.node, ...outcome, at };
    voice.tell({ ...reply, payload: JSON.stringify(result), qos });
  };

  const refuse = (request: Request, error: Refusal): void => {
    refused += 1;
    // 1, 10, 100 …: a flood is counted, not printed.
    if (/^10*$/.test(String(refused)))
      log('warn', `mqtt: refused a command (${refused} since the start): ${error.message}`, {
        node: host.node,
        code: error.code,
        command: request.aim.leaf,
        ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
      });
    answer(request, { ok: false, error }, 0);
  };

  const refusalOf = (
    { topic, payload, retain }: Incoming,
    { command, group, canonical, leaf }: Aim,
  ): Refusal | undefined => {
    if (command === undefined)
      return {
        code: 'CARP_NO_COMMAND',
        message: `there is no command ${printable(leaf)}`,
        remedy: 'mode/set, advskew/set, cmd/hand-over, cmd/resync, cmd/query',
      };
    const groups = host.groups();
    if (!canonical || !groups.some((one) => one.group === group))
      return {
        code: 'CARP_NO_GROUP',
        message: `${host.node} has no such group`,
        remedy: `its groups: ${namesOf(groups)}`,
      };
    if (retain) {
      retained.add(topic);
      return {
        code: 'CARP_RETAINED',
        message: 'a retained command is never obeyed: it would be repeated at each start',
        remedy: `send it without the retain flag, and take this one away: mosquitto_pub -r -n -t '${topic.replaceAll("'", String.raw`'\''`)}'`,
      };
    }
    if (!allowed.includes(command))
      return {
        code: 'CARP_NOT_ALLOWED',
        message: `${host.node} does not obey ${command} over MQTT`,
        remedy: `its configuration allows it: mqtt: {commands: [${[...allowed, command].join(', ')}]}`,
      };
    if (payload.length > PAYLOAD_BYTES_MAX)
      return { code: 'CARP_PAYLOAD', message: `the payload has more than ${PAYLOAD_BYTES_MAX} bytes` };
    return undefined;
  };

  const work = async (request: Request, order: Order): Promise<void> => {
    const { group } = request.aim;
    const said = `mqtt: ${order.command} of ${group}, as a message asks for`;
    try {
      const result = await obey(group, order);
      log('info', said, { node: host.node, group, ...result.noted });
      answer(request, { ok: true, result: result.answer }, 1);
    } catch (error) {
      const problem = problemOf(error);
      log('info', `${said}, is not done: ${problem.message}`, { node: host.node, group });
      answer(request, { ok: false, error: problem }, 1);
    }
  };

  const heard = (message: Incoming): void => {
    const { topic, payload, properties = {} } = message;
    const aim = aimOf(scope, topic);
    if (aim === undefined) return;
    if (payload.length === 0 && (message.retain || retained.delete(topic))) return;
    // Nothing that could be answered.
    if (topic.length > TOPIC_LENGTH_MAX) {
      refused += 1;
      return;
    }
    const reply = replyTo(aim, properties, settings);
    const request: Request = { aim, reply: typeof reply === 'string' ? { topic: resultTopic(aim) } : reply };
    const refusal = refusalOf(message, aim);
    if (refusal !== undefined || aim.command === undefined) {
      if (refusal !== undefined) refuse(request, refusal);
      return;
    }
    const reading = readOrder(aim.command, payload);
    const known: Request = { ...request, ...given(reading.id) };
    if (typeof reply === 'string') {
      const remedy = 'leave it out, and listen to cmd/result; or choose one outside of these topics';
      refuse(known, { code: 'CARP_RESPONSE_TOPIC', message: reply, remedy });
    } else if (!reading.ok) refuse(known, { code: 'CARP_PAYLOAD', message: reading.why });
    else if (!mayObey()) refuse(known, busy(`more than ${OBEYED.perSecond} commands a second`));
    else {
      const turn = {
        work: () => work(known, reading.order),
        dropped: () => refuse(known, { code: 'CARP_FAILED', message: 'the agent is about to stop' }),
      };
      if (!turns.take(aim.group, turn)) refuse(known, busy(`${WAITING_MAX} commands wait already`));
    }
  };

  if (allowed.length === 0) return { filters: [] };
  return { filters: commandFilters(scope), noLocal: true, asPublished: true, heard, end: turns.end };
};

const busy = (message: string): Refusal => ({ code: 'CARP_BUSY', message, remedy: 'wait for the answers' });

const given = (id: CommandId | undefined): { readonly id?: CommandId } => (id === undefined ? {} : { id });

const printable = (text: string): string => text.replace(/[^\p{L}\p{N}_./-]/gu, '?');

const NAMES_MAX = 16;

const namesOf = (groups: readonly { readonly group: string }[]): string =>
  [...groups.slice(0, NAMES_MAX).map(({ group }) => group), ...(groups.length > NAMES_MAX ? ['…'] : [])].join(', ') ||
  'none';

interface Obeyed {
  readonly answer: object;
  /** For the log. */
  readonly noted?: object;
}

/** What each command does. Rejects with what the agent says. */
const obeying = ({ host, voice, scope }: PartContext) => {
  const { operator } = host;

  const stateOf = (group: string): CarpEvent | undefined => host.snapshots(group)[0];

  const handOver = async (group: string, force: boolean): Promise<Obeyed> => {
    try {
      const receipt = await operator.handOver(group, force);
      return { answer: receipt, noted: { to: receipt.address, afterMs: receipt.afterMs } };
    } catch (error) {
      // That the addresses are released whatever happens is what was asked for.
      if (!force || !(error instanceof CarpError) || error.code !== 'CARP_NOBODY') throw error;
      return { answer: { address: null, released: true }, noted: { released: true } };
    }
  };

  const setMode = async (group: string, mode: Extract<Order, { command: 'mode' }>['mode']): Promise<Obeyed> => {
    await operator.setMode(group, mode);
    const { role, demotion } = stateOf(group) ?? {};
    return { answer: { mode: host.modeOf(group), role, demotion }, noted: { mode } };
  };

  const setAdvskew = async (group: string, wanted: number | undefined): Promise<Obeyed> => {
    const { advskew, role } = await operator.setAdvskew(group, wanted);
    return { answer: { advskew, role }, noted: { advskew } };
  };

  const resync = (group: string): Obeyed => {
    const own = `${memberPath(scope, group)}/`;
    const master = groupTopic(scope, group, 'master');
    const topics = voice.repeat((topic) => topic === master || topic.startsWith(own));
    return { answer: { topics }, noted: { topics } };
  };

  return async (group: string, order: Order): Promise<Obeyed> => {
    switch (order.command) {
      case 'hand-over':
        return handOver(group, order.force);
      case 'mode':
        return setMode(group, order.mode);
      case 'advskew':
        return setAdvskew(group, order.advskew);
      case 'resync':
        return resync(group);
      case 'query':
        return { answer: { ...stateOf(group), mode: host.modeOf(group) } };
    }
  };
};

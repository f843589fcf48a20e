/** Topics of Sparkplug B (specification 3.0.0, chapter 4). */

export type NodeMessage = 'NBIRTH' | 'NDEATH' | 'NCMD';
export type DeviceMessage = 'DBIRTH' | 'DDATA' | 'DDEATH' | 'DCMD';

/** Of one edge node. */
export interface EdgeIds {
  readonly group: string;
  readonly edgeNode: string;
}

export const edgeTopic = ({ group, edgeNode }: EdgeIds, type: NodeMessage): string =>
  `spBv1.0/${idOf(group)}/${type}/${idOf(edgeNode)}`;

/** @param device - the name of a CARP group */
export const deviceTopic = ({ group, edgeNode }: EdgeIds, type: DeviceMessage, device: string): string =>
  `spBv1.0/${idOf(group)}/${type}/${idOf(edgeNode)}/${idOf(device)}`;

/** Commands to all devices. */
export const deviceCommands = ({ group, edgeNode }: EdgeIds): string =>
  `spBv1.0/${idOf(group)}/DCMD/${idOf(edgeNode)}/+`;

export const stateTopic = (primaryHost: string): string => `spBv1.0/STATE/${idOf(primaryHost)}`;

/** Any text without these characters is an id; names with them are no valid names of nodes and groups either. */
const idOf = (name: string): string => name.replace(/[+#/\0]/g, '_');

/** carp-group: one group on one host. It only says what it wants; the registry runs it, across deploys. */
import type { Node, NodeAPI } from 'node-red';
import { distinctUntilChanged, map } from 'rxjs';
import { type Problem, problemOf } from '../src/ports/error.ts';
import type { MqttNode } from './carp-mqtt.ts';
import { type GroupDef, type Wanted, wantedBy } from './group-settings.ts';
import type { Registry } from './registry.ts';
import { registryOf } from './runtime.ts';

interface GroupCredentials {
  readonly passphrase?: string;
}

export default (RED: NodeAPI): void => registerGroup(RED, registryOf(RED));

export const registerGroup = (RED: NodeAPI, registry: Registry): void => {
  function CarpGroup(this: Node<GroupCredentials>, def: GroupDef): void {
    RED.nodes.createNode(this, def);
    const mqtt = (RED.nodes.getNode(def.mqtt) ?? undefined) as MqttNode | undefined;
    const wanted = wantedBy({
      def,
      passphrase: this.credentials?.passphrase,
      mqtt: mqtt && { ...mqtt.carpMqtt, credentials: mqtt.credentials },
      state: registry.state,
    });
    registry.want(wanted);
    tellIfOpen(this, registry.memory, wanted);
    const problems = registry
      .view$(this.id)
      .pipe(
        map(({ problem }) => problem),
        distinctUntilChanged((one, other) => one?.code === other?.code && one?.message === other?.message),
      )
      .subscribe((problem) => tellOnce(this, registry.memory, problem));
    this.on('close', (removed: boolean, done: (error?: Error) => void) => {
      problems.unsubscribe();
      if (removed) for (const told of [this.id, openKey(this)]) registry.memory.delete(told);
      registry.release(this.id, removed).then(
        () => done(),
        (error) => done(new Error(problemOf(error).message)),
      );
    });
  }
  RED.nodes.registerType<Node<GroupCredentials>, GroupDef, object, GroupCredentials>('carp-group', CarpGroup, {
    credentials: { passphrase: { type: 'password' } },
  });
};

const openKey = ({ id }: Node): string => `${id} open`;

/** A flow is exported without its passphrases: whoever imports it on the next host would have two MASTERs, and not know why. */
const tellIfOpen = (node: Node, memory: Map<string, string>, wanted: Wanted): void => {
  const isOpen = wanted.type === 'own' && wanted.config.groups.some((one) => one.transport !== 'memory' && !one.pass);
  if (!isOpen) return void memory.delete(openKey(node));
  if (memory.has(openKey(node))) return;
  memory.set(openKey(node), 'told');
  node.warn(
    `group "${wanted.group}" has no passphrase: hosts that have one and this host refuse each other, and without one anybody on the network can take the addresses: enter it in the carp-group node; a flow that was imported comes without`,
  );
};

/** The whole message, with the command that helps, once in the log and the debug sidebar; not again at each deploy. */
const tellOnce = (node: Node, memory: Map<string, string>, problem: Problem | undefined): void => {
  if (problem === undefined) return void memory.delete(node.id);
  const message = problem.remedy === undefined ? problem.message : `${problem.message}: ${problem.remedy}`;
  if (memory.get(node.id) === message) return;
  memory.set(node.id, message);
  if (problem.code === 'CARP_CONFIG' || problem.code === 'CARP_DUPLICATE') node.error(message);
  else node.warn(message);
};

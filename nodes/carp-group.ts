/** carp-group: one group on one host. It only says what it wants; the registry runs it, across deploys. */
import type { Node, NodeAPI } from 'node-red';
import { distinctUntilChanged, map } from 'rxjs';
import { type Problem, problemOf } from '../src/ports/error.ts';
import type { MqttNode } from './carp-mqtt.ts';
import { type GroupDef, type Wanted, wantedBy } from './group-settings.ts';
import { DEFAULT_BASE, type MqttWish } from './mqtt-settings.ts';
import type { Registry } from './registry.ts';
import { registryOf } from './runtime.ts';
import { text } from './stored-values.ts';
import { tellOnce } from './tell-once.ts';

interface GroupCredentials {
  readonly passphrase?: string;
}

export default (RED: NodeAPI): void => registerGroup(RED, registryOf(RED));

export const registerGroup = (RED: NodeAPI, registry: Registry): void => {
  function CarpGroup(this: Node<GroupCredentials>, def: GroupDef): void {
    RED.nodes.createNode(this, def);
    const wanted = wantedBy({
      def,
      passphrase: this.credentials?.passphrase,
      mqtt: mqttOf(RED, def),
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
    problems.add(
      registry
        .mqttProblem$(this.id)
        .subscribe((problem) => tellOnce(this, registry.memory, missingMqtt(wanted) ?? problem, mqttKey(this))),
    );
    this.on('close', (removed: boolean, done: (error?: Error) => void) => {
      problems.unsubscribe();
      if (removed) for (const told of [this.id, openKey(this), mqttKey(this)]) registry.memory.delete(told);
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

const mqttKey = ({ id }: Node): string => `${id} mqtt`;

/** Whatever else is wrong with a carp-mqtt, it tells itself. */
const NO_MQTT: Problem = {
  code: 'CARP_CONFIG',
  message: 'the carp-mqtt node that this group has chosen is not there, so nothing is published',
  remedy: 'it was deleted, is disabled, or belongs to another tab: choose another one, or none',
};

/** A system service publishes what it has been told to, whatever is chosen here. */
const missingMqtt = ({ type, mqttProblem }: Wanted): Problem | undefined =>
  type === 'own' && mqttProblem === NO_MQTT ? NO_MQTT : undefined;

const mqttOf = ({ nodes }: NodeAPI, { mqtt }: GroupDef): MqttWish | undefined => {
  if (text(mqtt) === undefined) return undefined;
  const node = nodes.getNode(mqtt) as Partial<MqttNode> | null;
  return node?.carpMqtt ?? { base: DEFAULT_BASE, problem: NO_MQTT };
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

/** carp-group: one group on one host. It only says what it wants; the registry runs it, across deploys. */
import type { Node, NodeAPI } from 'node-red';
import { distinctUntilChanged, map } from 'rxjs';
import { type Problem, problemOf } from '../src/ports/error.ts';
import type { MqttNode } from './carp-mqtt.ts';
import { type GroupDef, wantedBy } from './group-settings.ts';
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
    registry.want(
      wantedBy({
        def,
        passphrase: this.credentials?.passphrase,
        mqtt: mqtt && { ...mqtt.carpMqtt, credentials: mqtt.credentials },
        state: registry.state,
      }),
    );
    const problems = registry
      .view$(this.id)
      .pipe(
        map(({ problem }) => problem),
        distinctUntilChanged((one, other) => one?.code === other?.code && one?.message === other?.message),
      )
      .subscribe((problem) => tellOnce(this, registry.memory, problem));
    this.on('close', (removed: boolean, done: (error?: Error) => void) => {
      problems.unsubscribe();
      if (removed) registry.memory.delete(this.id);
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

/** The whole message, with the command that helps, once in the log and the debug sidebar; not again at each deploy. */
const tellOnce = (node: Node, memory: Map<string, string>, problem: Problem | undefined): void => {
  if (problem === undefined) return void memory.delete(node.id);
  const message = problem.remedy === undefined ? problem.message : `${problem.message}: ${problem.remedy}`;
  if (memory.get(node.id) === message) return;
  memory.set(node.id, message);
  if (problem.code === 'CARP_CONFIG' || problem.code === 'CARP_DUPLICATE') node.error(message);
  else node.warn(message);
};

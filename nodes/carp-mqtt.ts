/** carp-mqtt: where the agent publishes. It makes its own connection, so that a blocked flow delays no message. */
import type { Node, NodeAPI } from 'node-red';
import { coreNodes } from './core-broker.ts';
import { type MqttCredentials, type MqttDef, type MqttWish, mqttWish } from './mqtt-settings.ts';
import type { Registry } from './registry.ts';
import { registryOf } from './runtime.ts';
import { tellOnce } from './tell-once.ts';

export interface MqttNode extends Node<MqttCredentials> {
  readonly carpMqtt: MqttWish;
}

export default (RED: NodeAPI): void => registerMqtt(RED, registryOf(RED));

export const registerMqtt = (RED: NodeAPI, { memory }: Pick<Registry, 'memory'>): void => {
  function CarpMqtt(this: Node<MqttCredentials>, def: MqttDef): void {
    RED.nodes.createNode(this, def);
    const wish = mqttWish({
      def,
      credentials: this.credentials,
      nodes: coreNodes(RED),
      variable: (name) => RED.util.getSetting(this, name),
    });
    // Not enumerable: what prints a node does not print keys and passwords.
    Object.defineProperty(this, 'carpMqtt', { value: wish });
    tellOnce(this, memory, wish.problem);
    this.on('close', (removed: boolean, done: () => void) => {
      if (removed) memory.delete(this.id);
      done();
    });
  }
  RED.nodes.registerType<Node<MqttCredentials>, MqttDef, object, MqttCredentials>('carp-mqtt', CarpMqtt, {
    credentials: { username: { type: 'text' }, password: { type: 'password' } },
  });
};

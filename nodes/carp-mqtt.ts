/** carp-mqtt: where the agent publishes. It makes its own connection, so that a blocked flow delays no message. */
import type { Node, NodeAPI } from 'node-red';
import type { MqttCredentials, MqttDef } from './group-settings.ts';

export interface MqttNode extends Node<MqttCredentials> {
  readonly carpMqtt: MqttDef;
}

export default (RED: NodeAPI): void => {
  function CarpMqtt(this: Node<MqttCredentials>, def: MqttDef): void {
    RED.nodes.createNode(this, def);
    Object.defineProperty(this, 'carpMqtt', { value: def });
  }
  RED.nodes.registerType<Node<MqttCredentials>, MqttDef, object, MqttCredentials>('carp-mqtt', CarpMqtt, {
    credentials: { username: { type: 'text' }, password: { type: 'password' } },
  });
};

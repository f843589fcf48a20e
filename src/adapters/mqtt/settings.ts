/** What may be ordered over MQTT, each by its own name in `mqtt.commands`. */
export const MQTT_COMMANDS = ['mode', 'advskew', 'hand-over', 'resync', 'query'] as const;
export type MqttCommand = (typeof MQTT_COMMANDS)[number];

/** How the connection is secured. What is a file is read anew for each connection; its inline twin is for Node-RED. */
export interface MqttTlsSettings {
  /** PEM files. */
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  /** PEM texts. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** Of the key. */
  readonly keyPassphrase?: string;
  /** The name that the certificate of the broker is to have, if it is not the host of the URL. */
  readonly serverName?: string;
  readonly alpn?: string;
  /** `false` accepts any certificate. */
  readonly verify: boolean;
}

/** Sparkplug B 3.0, over a connection of its own. */
export interface SparkplugSettings {
  /** The group id of Sparkplug: the plant. */
  readonly group: string;
  /** The edge node id. Default: the name of this host. */
  readonly edgeNode?: string;
  /** The host application without which nothing is published (its STATE topic). Default: none is waited for. */
  readonly primaryHost?: string;
}

/** Which broker, as whom, and what is said there. Times in s. */
export interface MqttSettings {
  /** mqtt://, mqtts://, ws:// or wss://; of several, the first that answers. */
  readonly url: string | readonly string[];
  readonly username?: string;
  readonly password?: string;
  /** A file whose first line is the password; read anew for each connection. */
  readonly passwordFile?: string;
  /** A variable of the environment that holds the password. */
  readonly passwordEnv?: string;
  /** `auto`: MQTT 5, and 3.1.1 with a broker that does not speak it. */
  readonly version: 'auto' | '3.1.1' | '5' | 5;
  /** Default: made of the node's name and the machine id. */
  readonly clientId?: string;
  readonly tls?: MqttTlsSettings;
  /** First level (or levels) of all topics. */
  readonly base: string;
  /** The broker tells of a dead host after one and a half of it. */
  readonly keepalive: number;
  /** How often what expires is told anew. */
  readonly refresh: number;
  /** How long the broker keeps what describes the present (MQTT 5). */
  readonly expiry: number;
  readonly homeAssistant: boolean;
  readonly homeAssistantPrefix: string;
  /** Which commands are obeyed: none, all, or these. */
  readonly commands: boolean | readonly MqttCommand[];
  /** Whether this host compares what others say on the bus with what it hears, and raises alarms. */
  readonly alarms: boolean;
  readonly sparkplug?: SparkplugSettings;
}

/** The commands that are obeyed. */
export const commandsOf = ({ commands }: Pick<MqttSettings, 'commands'>): readonly MqttCommand[] => {
  if (typeof commands === 'boolean') return commands ? MQTT_COMMANDS : [];
  return commands;
};

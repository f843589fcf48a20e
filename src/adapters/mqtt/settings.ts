/** Which broker, and as whom. */
export interface MqttSettings {
  /** mqtt://, mqtts://, ws:// or wss:// */
  readonly url: string;
  readonly username?: string;
  readonly password?: string;
  /** A file whose first line is the password; read anew for each connection. */
  readonly passwordFile?: string;
  /** First level (or levels) of all topics. */
  readonly base: string;
}

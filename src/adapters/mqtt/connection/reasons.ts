/** Why a broker says no or ends a connection: CONNACK of MQTT 3.1.1 (1 to 5), reason codes of MQTT 5 (from 128). */

const LOGIN = 'check mqtt.username and mqtt.passwordFile';
const VERSION = 'set mqtt.version to auto, 3.1.1 or 5, whichever the broker speaks';
const CLIENT_ID = 'set mqtt.clientId to one that the broker allows';
const BUSY = 'it is tried again, less and less often; look at the load and the limits of the broker';
const OURS = 'this is a mistake of one of the two programs; please report it, with the name and version of the broker';
const LIMITS = 'raise the limits of the broker';
const MOVED = 'put the URL of the other one into mqtt.url';

export const REASONS: Readonly<Record<number, string>> = {
  1: `Unacceptable protocol version: ${VERSION}`,
  2: `Identifier rejected: ${CLIENT_ID}`,
  3: `Server unavailable: ${BUSY}`,
  4: `Bad username or password: ${LOGIN}`,
  5: `Not authorized: ${LOGIN}`,
  128: 'Unspecified error: the log of the broker says more',
  129: `Malformed packet: ${OURS}`,
  130: `Protocol error: ${OURS}`,
  131: 'The broker does not accept it, for a reason of its own: its log says more',
  132: `Unsupported protocol version: ${VERSION}`,
  133: `Client identifier not valid: ${CLIENT_ID}`,
  134: `Bad username or password: ${LOGIN}`,
  135: `Not authorized: ${LOGIN}, and what the broker lets this user publish`,
  136: `Server unavailable: ${BUSY}`,
  137: `Server busy: ${BUSY}`,
  138: 'Banned: ask the administrator of the broker to let this client or user in again',
  139: 'Server shutting down: it is tried again until it is back',
  140: `Bad authentication method: the broker wants another kind of login; ${LOGIN}`,
  141: 'Keepalive timeout: the broker has heard nothing for too long; check the network, or raise mqtt.keepalive',
  142: 'Session taken over: another client uses the same client id; does a second agent run for this node? Give it another node or mqtt.clientId',
  143: 'Topic filter invalid: check mqtt.base and mqtt.homeAssistantPrefix',
  144: 'Topic name invalid: check mqtt.base and what topics the broker allows',
  147: `Receive maximum exceeded: ${OURS}`,
  148: `Topic alias invalid: ${OURS}`,
  149: `Packet too large: ${LIMITS} (Mosquitto: max_packet_size)`,
  150: `Message rate too high: ${LIMITS}`,
  151: `Quota exceeded: ${LIMITS} for this user (clients, messages, retained data), or remove what it no longer needs`,
  152: 'Administrative action: somebody ended this connection at the broker; ask its administrator',
  153: `Payload format invalid: ${OURS}`,
  154: 'Retain not supported: let the broker retain messages; without, nobody finds out how things stand',
  155: 'QoS not supported: let the broker accept QoS 1',
  156: `Use another server: ${MOVED} as well`,
  157: `Server moved: ${MOVED}`,
  158: 'Shared subscriptions not supported',
  159: `Connection rate exceeded: ${BUSY}`,
  160: 'Maximum connect time: the broker ends connections after a time of its own; they are made anew',
  161: 'Subscription identifiers not supported',
  162: 'Wildcard subscriptions not supported: let the broker accept them; without, neither commands nor alarms work',
};

import { createHmac, createSecretKey } from 'node:crypto';
import type { Sign } from '../../protocol/authentication.ts';

/** HMAC-SHA1 with this key. It is kept as a KeyObject: inspecting or logging the signer does not show its bytes. */
export const createSigner = (key: Uint8Array): Sign => {
  const secret = createSecretKey(key);
  return (message) => createHmac('sha1', secret).update(message).digest();
};

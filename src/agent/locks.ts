import { createServer, type Server } from 'node:net';
import { CarpError } from '../ports/error.ts';

/** Which virtual host on which interface; its owner is a group of a host of this agent. */
export interface Claim {
  readonly interface: string;
  readonly vhid: number;
  /** Says who in this agent holds it, for messages: `node/group`. */
  readonly owner: string;
}

export interface Locks {
  /**
   * Makes sure that nobody else on this machine serves this virtual host. What is held already stays held.
   * @throws (rejects) CarpError CARP_DUPLICATE
   */
  readonly acquire: (claim: Claim) => Promise<void>;
  /** Lets go of all that is not among these. */
  readonly keepOnly: (claims: readonly Claim[]) => void;
}

interface Held {
  readonly owner: string;
  readonly server: Server;
}

const nameOf = (claim: Claim): string => `carp/${claim.interface}/${claim.vhid}`;

const duplicate = (claim: Claim, holder: string): CarpError =>
  new CarpError('CARP_DUPLICATE', `${holder} already serves vhid ${claim.vhid} on ${claim.interface}`, {
    remedy: 'stop one of the two (systemctl stop carp), or give this group a vhid or an interface of its own',
  });

/**
 * Locks that the kernel takes back when the process dies: abstract Unix sockets `\0carp/IF/VHID` (unix(7)). They live in
 * the network namespace, as interfaces do. Systems other than Linux have none; there the same agent is checked alone.
 */
export const createLocks = (platform: NodeJS.Platform = process.platform): Locks => {
  const held = new Map<string, Held>();

  return {
    acquire: async (claim) => {
      const name = nameOf(claim);
      const holder = held.get(name);
      if (holder !== undefined) {
        if (holder.owner === claim.owner) return;
        throw duplicate(claim, `group ${holder.owner}`);
      }
      // Whoever connects learns that somebody is there, and nothing else.
      const server = createServer((socket) => socket.destroy());
      held.set(name, { owner: claim.owner, server });
      if (platform !== 'linux') return;
      try {
        await listening(server, `\0${name}`);
      } catch (error) {
        held.delete(name);
        if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') throw duplicate(claim, 'another agent');
        throw new CarpError('CARP_FAILED', `cannot lock vhid ${claim.vhid} on ${claim.interface}: ${String(error)}`);
      }
    },
    keepOnly: (claims) => {
      const wanted = new Set(claims.map((claim) => `${nameOf(claim)} ${claim.owner}`));
      for (const [name, { owner, server }] of held) {
        if (wanted.has(`${name} ${owner}`)) continue;
        held.delete(name);
        server.close();
      }
    },
  };
};

const listening = (server: Server, path: string): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      // The lock alone keeps no process alive.
      server.unref();
      resolve();
    });
  });

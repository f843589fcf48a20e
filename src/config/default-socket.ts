/** Where an agent listens, and where it is looked for, unless somebody says otherwise. */
export const DEFAULT_SOCKET = '/run/carp/agent.sock';

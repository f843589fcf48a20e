/**
 * An orderly end waits this long for the last hooks after the addresses have been released; their own timeout may be
 * shorter. In ms.
 */
export const LAST_HOOKS_MS_MAX = 5000;

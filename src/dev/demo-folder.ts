import { copyFileSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Quiet, offline, and reachable from this machine only. */
const nodeRedSettings = (port: number): Readonly<Record<string, unknown>> => ({
  uiHost: '127.0.0.1',
  uiPort: port,
  flowFile: 'flows.json',
  credentialSecret: 'demo',
  // Its log is read, and would otherwise follow the language of the terminal.
  lang: 'en-US',
  telemetry: { enabled: false, updateNotification: false },
  externalModules: {
    autoInstall: false,
    palette: { allowInstall: false, allowUpload: false, allowUpdate: false },
    modules: { allowInstall: false },
  },
  functionExternalModules: false,
  editorTheme: { tours: false, palette: { catalogues: [] }, projects: { enabled: false } },
  logging: { console: { level: 'info', metrics: false, audit: false } },
});

/** Node-RED reads this in its own process: it ends when the one that started it has gone, however that came about. */
const AFTER_PARENT =
  "process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));\nprocess.channel?.unref();\n";

/**
 * A user directory for one run of Node-RED, with this package installed in it and one flow loaded.
 * @param root - folder of this package
 */
export const createDemoFolder = ({ root, port, flow }: { root: string; port: number; flow: string }): string => {
  const folder = mkdtempSync(join(tmpdir(), 'node-red-carp-'));
  mkdirSync(join(folder, 'node_modules', '@carp-ha'), { recursive: true });
  symlinkSync(root, join(folder, 'node_modules', '@carp-ha', 'node-red-carp'), 'junction');
  writeFileSync(join(folder, 'package.json'), '{ "name": "node-red-carp-demo", "private": true }\n');
  const settings = JSON.stringify(nodeRedSettings(port), undefined, 2);
  writeFileSync(join(folder, 'settings.cjs'), `${AFTER_PARENT}module.exports = ${settings};\n`);
  copyFileSync(flow, join(folder, 'flows.json'));
  return folder;
};

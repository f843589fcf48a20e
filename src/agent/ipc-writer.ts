import type { ChildProcess } from 'node:child_process';
import { IPCMessageWriter, type Message } from 'vscode-jsonrpc/node';

/**
 * Writes to a forked process. Unlike the library's writer it waits until the channel has taken a message: a process that
 * does not read can be noticed. A message that cannot be written any more, because the process has ended, is told as the
 * library's writer does, to the listeners of `onError`.
 */
export class WaitingIpcWriter extends IPCMessageWriter {
  readonly #child: ChildProcess;

  constructor(child: ChildProcess) {
    super(child);
    this.#child = child;
  }

  override write(message: Message): Promise<void> {
    return new Promise((resolve) => {
      this.#child.send(message, (error) => {
        if (error !== null) this.fireError(error, message, 1);
        resolve();
      });
    });
  }
}

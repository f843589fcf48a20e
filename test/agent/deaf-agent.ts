/** An agent that says that it is there, and then does nothing that it is asked for. */
process.on('message', ({ id, method }: { readonly id: number; readonly method: string }) => {
  if (method === 'info') process.send?.({ jsonrpc: '2.0', id, result: { version: '0', pid: process.pid, nodes: [] } });
  if (method === 'subscribe') process.send?.({ jsonrpc: '2.0', id, result: null });
});
process.on('SIGTERM', () => undefined);
setInterval(() => undefined, 1000);

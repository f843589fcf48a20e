/** carp-watch: a message for each change on a network segment, heard without taking part. */
import type { Node, NodeAPI, NodeStatus } from 'node-red';
import type { SegmentUpdate } from '../src/agent/segment-updates.ts';
import { type Problem, problemOf } from '../src/ports/error.ts';
import { nodeFailure } from './node-failure.ts';
import { pacedStatus } from './paced-status.ts';
import type { Registry } from './registry.ts';
import { registryOf } from './runtime.ts';
import { problemStatus } from './status.ts';
import { changeMessage, snapshotMessage, vhidOf } from './watch-messages.ts';
import { type WatchDef, watchWishOf } from './watch-settings.ts';
import { WatchedSegment } from './watched-segment.ts';

export type { WatchDef };

const STATUS_EVERY_MS = 1000;

export default (RED: NodeAPI): void => registerWatch(RED, registryOf(RED));

export const registerWatch = (RED: NodeAPI, registry: Registry): void => {
  function CarpWatch(this: Node, def: WatchDef): void {
    RED.nodes.createNode(this, def);
    const wish = watchWishOf(def);
    if ('problem' in wish) {
      this.status(problemStatus(wish.problem.code));
      this.error(nodeFailure(wish.problem).message);
      return;
    }
    registry.wantWatch(wish);
    const { params, vhid } = wish;
    const topic = JSON.stringify([wish.socket, params, vhid]);
    const before = memoryOf(registry.memory.get(this.id), topic);
    const segment = new WatchedSegment(vhid, before.told);
    let toldProblem = before.problem;
    let started = false;

    const status = pacedStatus(STATUS_EVERY_MS, (next) => this.status(next));
    const show = (): void => status.show(statusOf(segment, (key, usual) => translated(RED, key, usual)));

    /** What is sent before the flows have started reaches nobody: then it is told how things stand. */
    const sendNews = (): void => {
      if (!started) return;
      for (const standing of segment.news()) this.send(snapshotMessage(params, standing, new Date()));
    };
    const tellProblem = ({ message, remedy }: Problem): void => {
      const text = remedy === undefined ? message : `${message}: ${remedy}`;
      if (text === toldProblem) return;
      toldProblem = text;
      this.warn(text);
    };
    const heard = (update: SegmentUpdate): void => {
      segment.take(update);
      if (update.type === 'problem') tellProblem(update.problem);
      else toldProblem = undefined;
      if (update.type === 'report') sendNews();
      if (update.type === 'change' && started && concerns(update.change, vhid)) {
        const { change, standing } = update;
        if (standing !== undefined) segment.tell(standing);
        this.send(changeMessage(params, change, standing));
      }
      show();
    };

    this.status(statusOf(segment, () => ''));
    const listening = registry.segment$(wish).subscribe(heard);
    listening.add(
      registry.started$.subscribe(() => {
        if (started) return;
        started = true;
        sendNews();
      }),
    );
    this.on('close', (removed: boolean, done: (error?: Error) => void) => {
      listening.unsubscribe();
      status.close();
      if (removed) registry.memory.delete(this.id);
      else registry.memory.set(this.id, JSON.stringify({ topic, told: segment.told, problem: toldProblem }));
      registry.release(this.id, removed).then(
        () => done(),
        (error) => done(new Error(problemOf(error).message)),
      );
    });
  }
  RED.nodes.registerType('carp-watch', CarpWatch);
};

interface Memory {
  readonly told: Readonly<Record<string, string>>;
  /** So that it is not told again at each deploy. */
  readonly problem: string | undefined;
}

/** Of the node with this id before the deploy, unless it listened to something else. */
const memoryOf = (kept: string | undefined, topic: string): Memory => {
  if (kept === undefined) return { told: {}, problem: undefined };
  const memory = JSON.parse(kept) as Memory & { readonly topic: string };
  return memory.topic === topic ? memory : { told: {}, problem: undefined };
};

/** A flood may hide anything. */
const concerns = (change: Parameters<typeof vhidOf>[0], vhid: number | undefined): boolean =>
  vhid === undefined || change.event === 'flood' || vhidOf(change) === vhid;

type Word = (key: string, usual: string) => string;

/** A text with a number in it cannot be a key that the editor translates: it is in the language of Node-RED's runtime. */
const translated = (RED: NodeAPI, key: string, usual: string): string => {
  const text = RED._(key);
  return text === key ? usual : text;
};

const statusOf = (segment: WatchedSegment, word: Word): NodeStatus => {
  if (segment.problem !== undefined) return problemStatus(segment.problem.code);
  if (!segment.isKnown) return { fill: 'grey', shape: 'ring', text: 'carp.status.starting' };
  if (segment.disputed) return { fill: 'red', shape: 'dot', text: 'carp-watch.status.two-masters' };
  const { speakers } = segment;
  if (speakers === 0) return { fill: 'grey', shape: 'ring', text: 'carp-watch.status.nobody' };
  const text =
    speakers === 1 ? word('carp-watch.status.speaker', 'speaker') : word('carp-watch.status.speakers', 'speakers');
  return { fill: 'green', shape: 'dot', text: `${speakers} ${text}` };
};

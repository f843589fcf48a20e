/** Something that waits for its turn. */
export interface Turn {
  /** Must not reject. */
  readonly work: () => Promise<void>;
  /** It will never be its turn. */
  readonly dropped: () => void;
}

export interface Turns {
  /** Does it now, or after what is under way under this name; false if too many wait already. */
  readonly take: (name: string, turn: Turn) => boolean;
  /** Nothing more begins. */
  readonly end: () => void;
}

/**
 * One at a time under each name, in the order in which they came.
 * @param waitingMax - how many may wait, under all names together
 */
export const createTurns = (waitingMax: number): Turns => {
  /** What waits, by the name under which something is under way. */
  const busy = new Map<string, Turn[]>();
  let waiting = 0;
  let ended = false;

  const run = async (name: string, first: Turn): Promise<void> => {
    let turn: Turn | undefined = first;
    while (turn !== undefined) {
      await turn.work();
      turn = busy.get(name)?.shift();
      if (turn !== undefined) waiting -= 1;
    }
    busy.delete(name);
  };

  return {
    take: (name, turn) => {
      const queue = busy.get(name);
      if (ended || (queue !== undefined && waiting >= waitingMax)) return false;
      if (queue === undefined) {
        busy.set(name, []);
        void run(name, turn);
      } else {
        queue.push(turn);
        waiting += 1;
      }
      return true;
    },
    end: () => {
      ended = true;
      for (const queue of busy.values()) for (const turn of queue.splice(0)) turn.dropped();
      waiting = 0;
    },
  };
};

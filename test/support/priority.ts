import { setPriority } from 'node:os';

/** A busy machine must not look like a silent host: measuring goes first, where the system allows it. */
export const measureFirst = (): void => {
  try {
    setPriority(-20);
  } catch {
    // Containers may forbid it; then a very busy machine can spoil a measurement.
  }
};

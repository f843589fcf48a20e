/**
 * What the importers make of another system's files: our settings, and remarks on everything that has no equivalent.
 * Nothing that was read is dropped in silence: it becomes a setting, a remark, or one of the lines of `Unrelated`.
 */

/** A remark as one or more lines of text, without `#`. */
export type Remark = string;

/** One key of the configuration file, with remarks that stand above it. */
export interface Setting {
  readonly key: string;
  readonly value: unknown;
  readonly remarks: readonly Remark[];
}

/** A password that was found. It is printed only where that was asked for. */
export interface Secret {
  readonly password: string;
  /** Where it stands in the source, for whoever has to copy it. */
  readonly place: string;
}

/** One group to be. Settings are kept in the order in which they were told. */
export interface GroupDraft {
  readonly name: string;
  readonly settings: readonly Setting[];
  /** Above the group. */
  readonly remarks: readonly Remark[];
  readonly secret?: Secret;
  /** Why it stands as a comment, if it does. */
  readonly disabled?: string;
}

export interface Draft {
  /** At the top of the file. */
  readonly head: readonly Remark[];
  readonly host: readonly Setting[];
  readonly groups: readonly GroupDraft[];
  /** At the end of the file: what belongs to no group. */
  readonly tail: readonly Remark[];
}

export const setting = (key: string, value: unknown, ...remarks: readonly Remark[]): Setting => ({
  key,
  value,
  remarks,
});

/** Those whose value is known. */
export const settings = (...all: readonly (Setting | undefined | false)[]): readonly Setting[] =>
  all.filter((each) => each !== undefined && each !== false);

/** So many remarks tell what a file is; the rest of a larger one is counted. */
const REMARKS_MAX = 200;

export const boundedRemarks = (remarks: readonly Remark[]): readonly Remark[] =>
  remarks.length <= REMARKS_MAX
    ? remarks
    : [...remarks.slice(0, REMARKS_MAX), `… and ${remarks.length - REMARKS_MAX} more remarks, which are not shown`];

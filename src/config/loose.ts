/**
 * A configuration from which everything has been taken away that is not what the schema wants: what is there has the
 * right type, and anything may be missing. So all rules can look at a file with mistakes, and report the rest at once.
 */
export type Loose<T> = T extends readonly (infer Item)[]
  ? readonly (Loose<Item> | undefined)[]
  : T extends object
    ? { readonly [Key in keyof T]?: Loose<T[Key]> | undefined }
    : T;

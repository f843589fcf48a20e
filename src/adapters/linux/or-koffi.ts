import { KOFFI, refusePlatform } from './load-koffi.ts';

const isForThisPlatform = (platform: string, arch: string): boolean => {
  try {
    refusePlatform(platform, arch);
    return true;
  } catch {
    return false;
  }
};

/** A remedy for what koffi would do better, with koffi as the other one where it can be had: not on 32-bit ARM. */
export const orKoffi = (remedy: string, { platform, arch }: { platform: string; arch: string } = process): string =>
  isForThisPlatform(platform, arch) ? `${remedy}; or install the module koffi: npm install ${KOFFI}` : remedy;

/** Whether text can be read: contrast as WCAG 2.2 counts it (1.4.3), 1 for none and 21 for black on white. */
import type { Locator } from 'playwright-core';

/** Texts within an element that have less contrast than this, each with its contrast. Those of disabled buttons may. */
export const faintTexts = (root: Locator, least: number): Promise<readonly string[]> =>
  root.evaluate((element, limit) => {
    type Colour = readonly [red: number, green: number, blue: number, alpha: number];
    const colourOf = (css: string): Colour => {
      const [red = 0, green = 0, blue = 0, alpha = 1] = (css.match(/[\d.]+/g) ?? []).map(Number);
      return [red, green, blue, alpha];
    };
    const luminance = (colour: Colour): number => {
      const [red = 0, green = 0, blue = 0] = colour
        .slice(0, 3)
        .map((level) => level / 255)
        .map((level) => (level <= 0.04045 ? level / 12.92 : ((level + 0.055) / 1.055) ** 2.4));
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const backgroundOf = (part: Element): Colour => {
      for (let at: Element | null = part; at !== null; at = at.parentElement) {
        const colour = colourOf(getComputedStyle(at).backgroundColor);
        if (colour[3] === 1) return colour;
      }
      return [255, 255, 255, 1];
    };
    const contrastOf = (part: Element): number => {
      const [a, b] = [luminance(colourOf(getComputedStyle(part).color)), luminance(backgroundOf(part))];
      return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    };
    return [...element.querySelectorAll('*')].flatMap((part) => {
      const text = [...part.childNodes]
        .filter((node) => node.nodeType === Node.TEXT_NODE)
        .map((node) => node.textContent);
      const words = text.join('').trim();
      if (words === '' || part.closest('button:disabled, option') !== null || part.getClientRects().length === 0)
        return [];
      const contrast = contrastOf(part);
      return contrast >= limit ? [] : [`${contrast.toFixed(2)} "${words}"`];
    });
  }, least);

// Answers that come late must not take the place of newer ones, and waiting is shown only where it can be felt.

const PATIENCE = 200; // milliseconds

/** Requests of one kind: the next one ends the one before. */
export class Latest {
  #controller = null;

  /** End what is under way, and return the signal of the next request. */
  next() {
    this.#controller?.abort();
    this.#controller = new AbortController();
    return this.#controller.signal;
  }
}

const waits = new Map(); // how many things are awaited, by element

/**
 * Mark an element as busy while something is awaited, unless that is soon over.
 *
 * @template T
 * @param {HTMLElement} element
 * @param {Promise<T>} awaited
 * @returns {Promise<T>}
 */
export async function whileBusy(element, awaited) {
  waits.set(element, (waits.get(element) ?? 0) + 1);
  const timer = setTimeout(() => element.setAttribute("aria-busy", "true"), PATIENCE);
  try {
    return await awaited;
  } finally {
    clearTimeout(timer);
    waits.set(element, waits.get(element) - 1);
    if (waits.get(element) === 0) element.removeAttribute("aria-busy");
  }
}

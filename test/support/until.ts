/** Asks until the answer is the expected one. It has no end of its own: the test runner's time-out is enough. */
export async function until<T>(ask: () => Promise<T>, isExpected: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask()
    if (isExpected(answer)) return answer
  }
}

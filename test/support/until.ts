/** Repeats a query until its result is as expected. Only the timeout of the test runner ends it otherwise. */
export async function until<T>(ask: () => Promise<T>, isExpected: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask()
    if (isExpected(answer)) return answer
  }
}

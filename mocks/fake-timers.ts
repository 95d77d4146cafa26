/** Functions that the network needs. */
const NEEDED = ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask'] as const

/** Recognizes the functions with a clock of vitest and Jest, and the bound private methods of `node:test`. */
const isFake = (timer: unknown): boolean =>
  typeof timer === 'function' &&
  ('clock' in timer || 'mock' in timer || '_isMockFunction' in timer || timer.name.startsWith('bound #'))

/** Refuses fake timers under which no exchange would end. @throws TypeError with what to do */
export function requireRealTimers(): void {
  const fake = NEEDED.filter((name) => isFake(globalThis[name]))
  if (fake.length > 0)
    throw new TypeError(
      `Fake timers are active (${fake.join(', ')}), and real sockets need real ones. Let time pass with bed.advance(), or fake only the date: vi.useFakeTimers({ toFake: ['Date'] }), jest.useFakeTimers({ doNotFake: ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'nextTick'] }), mock.timers.enable({ apis: ['Date'] }).`,
    )
}

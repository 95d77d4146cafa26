const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const

/**
 * Resolves at the first signal to stop. From then on another one ends the process at once, with what is on disk: for whoever
 * does not want to wait for what is under way. SIGHUP stops too: there is nothing that would have to be read again.
 */
export function onShutdownSignal(): Promise<void> {
  return new Promise((resolve) => {
    let isSignaled = false
    for (const signal of SIGNALS)
      process.on(signal, () => {
        if (isSignaled) process.exit(1)
        isSignaled = true
        resolve()
      })
  })
}

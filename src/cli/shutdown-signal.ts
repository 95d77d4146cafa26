const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const

/**
 * Resolves at the first SIGTERM, SIGINT or SIGHUP. A second signal ends the process at once, without waiting for pending
 * work. SIGHUP also stops the process, because there is no configuration file to reload.
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

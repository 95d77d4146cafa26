import { execFile } from 'node:child_process'

/** Runs the built simulator as a child process. */
export const simulate = (...options: string[]): Promise<{ code: number; output: string }> =>
  new Promise((resolve) => {
    execFile(
      process.execPath,
      ['dist/tools/simulator/simulate.js', ...options],
      (failure, stdout, stderr) => {
        resolve({ code: failure === null ? 0 : Number(failure.code), output: `${stdout}${stderr}` })
      },
    )
  })

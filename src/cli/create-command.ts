import { Command } from 'commander'

/** Creates a command that throws instead of ending the process, and leaves it to the program to print failures. */
export const createCommand = (name: string): Command =>
  new Command(name)
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ writeErr: () => undefined })

import { Command } from 'commander'

/** Creates a command that throws instead of exiting. The program prints failures itself. */
export const createCommand = (name: string): Command =>
  new Command(name)
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ writeErr: () => undefined })

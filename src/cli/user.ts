import { type Command, Option } from 'commander'
import type { AuthService } from '../http/auth-service.ts'
import type { UserRole } from '../http/users.ts'
import { createCommand } from './create-command.ts'
import { printJson, printText } from './output.ts'
import { printTable } from './table.ts'

interface UserCli {
  readonly json: () => boolean
  /** Whether users can be kept to a smart account and a virtual account. */
  readonly supportsAccountScope: boolean
  readonly withAuth: <T>(work: (auth: AuthService) => Promise<T>) => Promise<T>
}

/** The commands for who may sign in at a page. */
export function createUserCommand({ json, supportsAccountScope, withAuth }: UserCli): Command {
  const user = createCommand('user').description('who may sign in at the page')
  user
    .command('list')
    .description('list them')
    .action(() =>
      withAuth(async (auth) => {
        const users = await auth.list()
        if (json()) printJson({ users })
        else
          await printTable(
            ['Name', 'Role', 'Reaches', 'Last signed in'],
            users.map(({ name, role, account, virtualAccount, signedInAt }) => [
              name,
              role,
              [account, virtualAccount].filter((part) => part !== null).join(' / ') || 'everything',
              signedInAt ?? 'never',
            ]),
          )
      }),
    )
  const add = user
    .command('add')
    .description('add one; the one-time password is printed this once')
    .argument('<name>')
    .addOption(
      new Option('--role <role>', 'what the user may do')
        .choices(['administrator', 'user', 'viewer'])
        .default('user'),
    )
  if (supportsAccountScope)
    add.option('--virtual-account <name>', 'the one virtual account that the user is kept to')
  add.action((name: string, options: { role: UserRole; virtualAccount?: string }, command: Command) =>
    withAuth(async (auth) => {
      const { account } = command.optsWithGlobals<{ account?: string }>()
      printOneTimePassword(
        json(),
        await auth.add({
          name,
          role: options.role,
          account: account ?? null,
          virtualAccount: options.virtualAccount ?? null,
        }),
      )
    }),
  )
  user
    .command('reset')
    .description('give a user another one-time password; every session of theirs ends')
    .argument('<name>')
    .action((name: string) =>
      withAuth(async (auth) => {
        printOneTimePassword(json(), await auth.reset(name))
      }),
    )
  user
    .command('remove')
    .description('remove one; every session of theirs ends')
    .argument('<name>')
    .action((name: string) =>
      withAuth(async (auth) => {
        await auth.remove(name)
        if (json()) printJson({ removed: name })
        else printText(`The user ${name} was removed.`)
      }),
    )
  user
    .command('audit')
    .description('who did what at the page, and what was refused: the newest first')
    .option('--limit <n>', 'how many', '200')
    .action((options: { limit: string }) =>
      withAuth(async (auth) => {
        const { parseWholeNumber } = await import('./authority/authority-cli.ts')
        const audit = await auth.listAuditEntries(parseWholeNumber(options.limit, 'limit'))
        if (json()) printJson({ audit })
        else
          await printTable(
            ['When', 'Who', 'From', 'What', 'About', 'Outcome'],
            audit.map(({ at, who, address, action, subject, outcome }) => [
              at,
              who ?? '-',
              address,
              action,
              subject,
              outcome,
            ]),
          )
      }),
    )
  return user
}

function printOneTimePassword(json: boolean, made: { name: string; oneTimePassword: string }): void {
  if (json) printJson(made)
  else
    printText(
      `${made.oneTimePassword}\nis the one-time password of ${made.name}, who sets another one at the first sign-in.`,
    )
}

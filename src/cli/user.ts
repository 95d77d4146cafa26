import { type Command, Option } from 'commander'
import type { AuthService } from '../http/auth-service.ts'
import { USER_ROLES, type UserRole } from '../http/user-roles.ts'
import { createCommand } from './create-command.ts'
import { printJson, printText } from './output.ts'
import { printTable } from './table.ts'

interface UserCli {
  readonly json: () => boolean
  /** True when a user can be limited to a smart account and a virtual account. */
  readonly supportsAccountScope: boolean
  readonly withAuth: <T>(work: (auth: AuthService) => Promise<T>) => Promise<T>
}

/** Creates the command `user`, for the users of the web console. */
export function createUserCommand({ json, supportsAccountScope, withAuth }: UserCli): Command {
  const user = createCommand('user').description('manage the users of the web console')
  user
    .command('list')
    .description('list the users')
    .action(() =>
      withAuth(async (auth) => {
        const users = await auth.list()
        if (json()) printJson({ users })
        else
          await printTable(
            ['Name', 'Role', 'Scope', 'Last signed in'],
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
    .description('add a user and print the one-time password, which is not shown again')
    .argument('<name>')
    .addOption(
      new Option('--role <role>', 'role of the user')
        .choices(USER_ROLES.filter((role) => supportsAccountScope || role !== 'account-administrator'))
        .default('user'),
    )
  if (supportsAccountScope) add.option('--virtual-account <name>', 'limit the user to one virtual account')
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
    .description('give a user a new one-time password and end all sessions of the user')
    .argument('<name>')
    .action((name: string) =>
      withAuth(async (auth) => {
        printOneTimePassword(json(), await auth.reset(name))
      }),
    )
  user
    .command('remove')
    .description('remove a user and end all sessions of the user')
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
    .description('list the actions in the web console, including refused ones, newest first')
    .option('--limit <n>', 'number of entries', '200')
    .action((options: { limit: string }) =>
      withAuth(async (auth) => {
        const { parseWholeNumber } = await import('./authority/authority-cli.ts')
        const audit = await auth.listAuditEntries(parseWholeNumber(options.limit, 'limit'))
        if (json()) printJson({ audit })
        else
          await printTable(
            ['Time', 'User', 'From', 'Action', 'Subject', 'Outcome'],
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

function printOneTimePassword(json: boolean, created: { name: string; oneTimePassword: string }): void {
  if (json) printJson(created)
  else
    printText(
      `${created.oneTimePassword}\nis the one-time password of ${created.name}. The user must change it at the first sign-in.`,
    )
}

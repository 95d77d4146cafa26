import type { ErrorEntry } from './error-entry.ts'

/** Refusals of the authority for accounts, orders and transfers. */
export const inventoryErrors = {
  ACCOUNT_AMBIGUOUS: {
    kind: 'usage',
    meaning: 'Several smart accounts exist, but none was chosen.',
    remedy: 'Choose one with --account DOMAIN.',
  },
  VIRTUAL_ACCOUNT_IN_USE: {
    kind: 'local',
    meaning: 'The virtual account still holds licenses, product instances or valid tokens.',
    remedy: 'Move or remove these first.',
  },
  VIRTUAL_ACCOUNT_IS_DEFAULT: {
    kind: 'local',
    meaning: 'The default virtual account cannot be removed.',
    remedy: 'Make another virtual account the default first.',
  },
  INSTANCE_NOT_IN_REVIEW: {
    kind: 'local',
    meaning: 'The product instance does not wait for a review.',
    remedy: '`instance list` shows which product instances are in review.',
  },
  TOKEN_NOT_IN_REVIEW: {
    kind: 'local',
    meaning: 'The token does not wait for a review.',
    remedy: '`token list` shows the status of each token.',
  },
  ORDER_FULFILLED: {
    kind: 'local',
    meaning: 'The order was already fulfilled.',
    remedy: 'Nothing to do. `order list` shows the order.',
  },
  TRANSFER_UNAVAILABLE: {
    kind: 'local',
    meaning: 'The virtual account has too few licenses for the transfer.',
    remedy: 'See `license list`, and transfer fewer licenses.',
  },
  TRANSFER_UNCONFIRMED: {
    kind: 'local',
    meaning: 'The transfer would put a pool out of compliance.',
    remedy: 'To transfer anyway, run the command again with --yes. Otherwise transfer fewer licenses.',
  },
} as const satisfies Record<string, ErrorEntry>

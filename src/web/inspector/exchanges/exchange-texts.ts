/** Texts of the exchanges. */
export const exchangeTexts = {
  title: 'Exchanges, newest first',
  none: 'No request was sent to a license server yet.',
  answered: 'answered',
  chosen: 'Two are selected, to compare them: the last that failed, and the last that was answered.',
  hint: 'Select one, or two to compare them.',
  again: (at: string) => `Tried again at ${at}.`,
  notAgain: 'Not tried again by itself.',
  stays: (state: string, until: string) => `The state stays ${state} until ${until}.`,
  staysOn: (state: string) => `The state stays ${state}.`,
  bySatellite: 'The satellite answers by itself.',
  synchronized: (at: string) => `It last synchronized with the license server on ${at}.`,
  notSynchronized: 'It has not said when it last synchronized with the license server.',
  caption: 'Steps of the exchange',
  columns: ['Time', 'Step', 'From', 'To', 'Duration', 'Outcome'],
  outcomes: { broken: 'failed', 'not-sent': 'not sent', synchronization: 'by itself', done: 'done' },
} as const

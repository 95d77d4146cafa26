import { type RawBuilder, sql } from 'kysely'

/**
 * A value that stands in the statement itself, for a column by which an index is limited, such as `status`: SQLite plans a
 * statement anew each time such a value is bound, which takes longer than most of them do. Never what somebody has typed.
 */
export const constant = <const T extends string | number>(value: T): RawBuilder<T> => sql.lit(value)

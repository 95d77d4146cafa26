/** Low work factor for in-process tests, which open hundreds of encrypted files. */
export const AGE_WORK_FACTOR = 8

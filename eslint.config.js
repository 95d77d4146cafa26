import tseslint from 'typescript-eslint'
import { docCommentForm } from './scripts/eslint/doc-comment-form.js'

const noTime = [
  {
    selector: "CallExpression[callee.object.name='Date'][callee.property.name='now']",
    message: 'A state machine reads no clock. Take the time from the event.',
  },
  {
    selector: "NewExpression[callee.name='Date'][arguments.length=0]",
    message: 'A state machine reads no clock. Take the time from the event.',
  },
  {
    selector: "MemberExpression[object.name='Math'][property.name='random']",
    message: 'A state machine is pure. Take random values from the event.',
  },
]

const writesOnly =
  'On a nearly full disk, this call writes a part and reports no error. Use writeFileSync(fd, data), which writes everything or throws.'
const partialWrites = [
  { selector: 'ExpressionStatement > CallExpression[callee.name=/^writev?Sync$/]', message: writesOnly },
  {
    selector: 'ExpressionStatement > CallExpression[callee.property.name=/^writev?Sync$/]',
    message: writesOnly,
  },
]
const partialWriters = {
  name: 'node:fs',
  importNames: ['write', 'writev', 'writeSync', 'writevSync'],
  message: writesOnly,
}

const fileWriters = [
  'appendFile',
  'appendFileSync',
  'copyFile',
  'copyFileSync',
  'cp',
  'cpSync',
  'createWriteStream',
  'open',
  'promises',
  'rename',
  'truncate',
  'truncateSync',
  'writeFile',
  'writeFileSync',
  'default',
]
const wholeFiles =
  'A file that is written whole is written by replaceFile or AtomicFile of src/storage/atomic-file.ts: complete, on disk, and never through a link.'
const restrictedWriters = [
  partialWriters,
  ...['node:fs', 'fs', 'node:fs/promises', 'fs/promises'].map((name) => ({
    name,
    importNames: fileWriters,
    message: wholeFiles,
  })),
]

const sqliteByName = {
  name: 'better-sqlite3',
  allowTypeImports: true,
  message: 'The module depends on the version of Node. Use loadDatabase of src/storage/sqlite.ts.',
}

export default tseslint.config(
  {
    ignores: [
      '.stryker',
      'stryker.config.mjs',
      'dist/',
      'node_modules/',
      'coverage/',
      'eslint.config.js',
      'commitlint.config.js',
      '.dependency-cruiser.cjs',
      'scripts/',
      'bench/',
      'examples/**/*.mjs',
      'test/**/*.cjs',
      'test/support/*.mjs',
    ],
  },
  {
    files: ['**/*.ts', '**/*.tsx'],
    plugins: { project: { rules: { 'doc-comment-form': docCommentForm } } },
    rules: { 'project/doc-comment-form': 'error' },
  },
  ...tseslint.configs.strictTypeChecked,
  ...tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        { ignoreVoidReturningFunctions: true, ignoreArrowShorthand: true },
      ],
      '@typescript-eslint/consistent-type-imports': ['error', { disallowTypeAnnotations: false }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/consistent-type-definitions': 'off',
      // There are no enums. The others find nothing here. Each takes a tenth of the time.
      '@typescript-eslint/no-unsafe-enum-assignment': 'off',
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      '@typescript-eslint/no-generated-empty-object-type': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { varsIgnorePattern: '^_', argsIgnorePattern: '^_' }],
      'no-console': 'error',
      '@typescript-eslint/no-restricted-imports': ['error', { paths: [sqliteByName] }],
      'no-restricted-syntax': ['error', ...partialWrites],
    },
  },
  {
    files: ['src/**', 'mocks/**'],
    // The writer itself, and the audit log of a device, which is appended to and rotated.
    ignores: ['src/storage/atomic-file.ts', 'src/http/file-user-store.ts'],
    rules: { 'no-restricted-imports': ['error', { paths: restrictedWriters }] },
  },
  {
    files: ['src/storage/atomic-file.ts', 'src/http/file-user-store.ts'],
    rules: { 'no-restricted-imports': ['error', { paths: [partialWriters] }] },
  },
  {
    files: ['machines/**'],
    rules: {
      'no-restricted-syntax': ['error', ...noTime],
      'no-restricted-globals': ['error', 'setTimeout', 'setInterval', 'process'],
      'no-restricted-imports': ['error', { patterns: ['node:*', '../*'] }],
    },
  },
  {
    // A third of the time, for components of well-kept libraries.
    files: ['src/web/**'],
    rules: { '@typescript-eslint/no-deprecated': 'off' },
  },
  {
    files: ['examples/demo.ts'],
    rules: { 'no-console': 'off' },
  },
  {
    files: ['test/**'],
    rules: {
      '@typescript-eslint/no-non-null-assertion': 'off',
      // These take a quarter of the time, and what they find in tests is harmless.
      '@typescript-eslint/no-deprecated': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      'no-console': 'off',
    },
  },
)

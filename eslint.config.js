import tseslint from 'typescript-eslint'
import { docCommentForm } from './scripts/eslint/doc-comment-form.js'

const noTime = [
  {
    selector: "CallExpression[callee.object.name='Date'][callee.property.name='now']",
    message: 'A chart has no clock: every event carries its instant.',
  },
  {
    selector: "NewExpression[callee.name='Date'][arguments.length=0]",
    message: 'A chart has no clock: every event carries its instant.',
  },
  {
    selector: "MemberExpression[object.name='Math'][property.name='random']",
    message: 'A chart is pure: chance comes with the event.',
  },
]

const writesOnly =
  'A nearly full disk takes a part and reports no error. Use writeFileSync(fd, data), which goes on until all is written.'
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

export default tseslint.config(
  {
    ignores: [
      '.stryker',
      'stryker.config.mjs',
      'dist/',
      'node_modules/',
      'coverage/',
      'eslint.config.js',
      '.dependency-cruiser.cjs',
      'scripts/',
      'bench/',
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
      '@typescript-eslint/no-unused-vars': ['error', { varsIgnorePattern: '^_', argsIgnorePattern: '^_' }],
      'no-console': 'error',
      'no-restricted-syntax': ['error', ...partialWrites],
    },
  },
  {
    files: ['src/**', 'mocks/**'],
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
    files: ['examples/demo.ts'],
    rules: { 'no-console': 'off' },
  },
  {
    files: ['test/**'],
    rules: {
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      'no-console': 'off',
    },
  },
)

/** Requires that a comment begins with a verb or a noun, and not with a clause such as "What is sent" or "Whether it is due". */
export const docCommentForm = {
  meta: {
    type: 'suggestion',
    messages: {
      clause:
        'Begin with a third-person verb ("Returns …") or a noun, not with "{{word}}" (CONTRIBUTING.md, "Prose").',
    },
    schema: [],
  },
  create(context) {
    const { sourceCode } = context
    return {
      Program() {
        const comments = sourceCode.getAllComments()
        for (const [index, comment] of comments.entries()) {
          const before = comments[index - 1]
          // The following lines of one comment continue its sentence.
          const isContinued =
            comment.type === 'Line' &&
            before?.type === 'Line' &&
            before.loc.end.line === comment.loc.start.line - 1
          if (isContinued || (comment.type === 'Block' && !comment.value.startsWith('*'))) continue
          const text = comment.value.replace(/^\*?\s*(?:\*\s*)?/, '')
          const word = /^(?:what|who|whom|whose|whether|how|when|where|why|the same)\b/i.exec(text)?.[0]
          if (word !== undefined) context.report({ loc: comment.loc, messageId: 'clause', data: { word } })
        }
      },
    }
  },
}

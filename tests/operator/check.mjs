// Checks resources against prometheus-operator's published API: `node check.mjs FILE.json...`.
// Prints one line per violation and exits 1 when there is one. The validators find what is missing or wrong;
// each resource is also a typed constant, so that unknown properties are found as well.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import * as v1 from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1';
import * as v1alpha1 from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1alpha1';
import ts from 'typescript';

const HERE = path.dirname(fileURLToPath(import.meta.url));
const VIRTUAL = path.join(HERE, '__resources.ts');
const API = '@kubernetes-models/prometheus-operator/monitoring.coreos.com';
const models = { v1, v1alpha1 };
const problems = [];
const lines = ['v1', 'v1alpha1'].map((version) => `import type * as ${version} from '${API}/${version}';`);
const origins = new Map();

for (const file of process.argv.slice(2)) {
  const resource = JSON.parse(fs.readFileSync(file, 'utf8'));
  const version = resource.apiVersion.split('/')[1];
  const name = path.basename(file);
  try {
    new models[version][resource.kind](resource).validate();
  } catch (error) {
    problems.push(`${name}: ${error.message}`);
  }
  origins.set(lines.length, name);
  lines.push(`export const c${lines.length}: ${version}.I${resource.kind} = ${JSON.stringify(resource)};`);
}

const settings = {
  noEmit: true,
  strict: true,
  skipLibCheck: true,
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
};
const host = ts.createCompilerHost(settings);
const text = lines.join('\n');
const read = host.getSourceFile.bind(host);
host.getSourceFile = (file, ...rest) =>
  path.resolve(file) === VIRTUAL ? ts.createSourceFile(file, text, ts.ScriptTarget.ES2022) : read(file, ...rest);
const exists = host.fileExists.bind(host);
host.fileExists = (file) => path.resolve(file) === VIRTUAL || exists(file);
for (const found of ts.getPreEmitDiagnostics(ts.createProgram([VIRTUAL], settings, host))) {
  const said = ts.flattenDiagnosticMessageText(found.messageText, ' ');
  const line = found.file ? found.file.getLineAndCharacterOfPosition(found.start).line : -1;
  problems.push(`${origins.get(line) ?? 'types'}: ${said}`);
}
for (const problem of problems) console.log(problem);
process.exit(problems.length ? 1 : 0);

// Checks dashboards against Grafana's published TypeScript types: `node check.mjs FILE.json...`.
// Prints one line per violation and exits 1 when there is one. Every part of a dashboard becomes a typed
// constant, so that unknown properties are found as well as wrong ones.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const HERE = path.dirname(fileURLToPath(import.meta.url));
const VIRTUAL = path.join(HERE, '__dashboards.ts');
// Written and read by Grafana's Prometheus data source, not part of the common types.
const ANNOTATION_OF_PROMETHEUS = ['expr', 'step', 'titleFormat', 'textFormat', 'useValueForTime'];
const VARIABLE_OF_PROMETHEUS = ['definition'];

const lines = ["import type { AnyDashboard, AnyPanel, AnyRow, Custom, Fields, Options } from './types';"];
const origins = new Map();
let count = 0;

function constant(type, value, origin) {
  if (value === undefined) return;
  origins.set(lines.length, origin);
  lines.push(`export const c${count++}: ${type} = ${JSON.stringify(value)};`);
}

function without(value, ...keys) {
  return Object.fromEntries(Object.entries(value).filter(([key]) => !keys.includes(key)));
}

function panel(spec, file) {
  const at = `${file}: ${spec.title}`;
  const of = `['${spec.type}']`;
  const { defaults, overrides } = spec.fieldConfig;
  constant('AnyPanel', without(spec, 'options', 'fieldConfig'), at);
  constant(`Options${of}`, spec.options, `${at}: options`);
  constant('Fields', without(defaults, 'custom'), `${at}: field defaults`);
  constant(`Custom${of}`, defaults.custom, `${at}: custom defaults`);
  for (const { matcher, properties } of overrides) {
    const own = {};
    const custom = {};
    for (const { id, value } of properties) {
      if (id.startsWith('custom.')) custom[id.slice('custom.'.length)] = value;
      else own[id] = value;
    }
    constant('Fields', own, `${at}: override of ${matcher.options}`);
    constant(`Partial<Custom${of}>`, custom, `${at}: custom override of ${matcher.options}`);
  }
}

function dashboard(spec, file) {
  const annotations = spec.annotations.list.map((each) => without(each, ...ANNOTATION_OF_PROMETHEUS));
  const variables = spec.templating.list.map((each) => without(each, ...VARIABLE_OF_PROMETHEUS));
  const whole = { ...without(spec, 'panels'), annotations: { list: annotations }, templating: { list: variables } };
  constant('AnyDashboard', whole, file);
  for (const each of spec.panels) {
    if (each.type === 'row') {
      constant('AnyRow', without(each, 'panels'), `${file}: row ${each.title}`);
      each.panels.forEach((inside) => panel(inside, file));
    } else panel(each, file);
  }
}

for (const file of process.argv.slice(2)) dashboard(JSON.parse(fs.readFileSync(file, 'utf8')), path.basename(file));

const settings = {
  noEmit: true,
  strict: true,
  skipLibCheck: true,
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  types: [],
};
const source = lines.join('\n');
const host = ts.createCompilerHost(settings);
const { fileExists, readFile, getSourceFile } = host;
host.fileExists = (name) => path.resolve(name) === VIRTUAL || fileExists(name);
host.readFile = (name) => (path.resolve(name) === VIRTUAL ? source : readFile(name));
host.getSourceFile = (name, ...rest) =>
  path.resolve(name) === VIRTUAL ? ts.createSourceFile(name, source, settings.target) : getSourceFile(name, ...rest);

const problems = ts.getPreEmitDiagnostics(ts.createProgram([VIRTUAL], settings, host)).map((found) => {
  const text = ts.flattenDiagnosticMessageText(found.messageText, ' ');
  if (!found.file || path.resolve(found.file.fileName) !== VIRTUAL) return text;
  const { line } = found.file.getLineAndCharacterOfPosition(found.start);
  return `${origins.get(line) ?? `line ${line}`}: ${text}`;
});
console.log(`${count} parts checked, ${problems.length} violations`);
problems.forEach((problem) => console.log(problem));
process.exitCode = problems.length ? 1 : 0;

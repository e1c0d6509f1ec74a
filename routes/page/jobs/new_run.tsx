/** @jsxImportSource preact */
// The form of a new run, out of the schema of RunConfig. An empty field means the default it shows.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Job } from "../../../workers/service.ts";
import { parseInline } from "../adapters/markdown.ts";
import type { PageData, Preset } from "../page_data.ts";
import { InlineText } from "../parts/inline_text.tsx";
import { Failure } from "../parts/notice.tsx";
import { ViewTitle } from "../parts/view_title.tsx";
import { getJson, sentenceOf } from "../server/api.ts";
import { adapters, jobs, loadJobs } from "../server/resources.ts";
import { valueOf } from "../server/resource.ts";
import { goTo } from "../state.ts";
import {
  defaultText,
  type Field,
  fieldError,
  freeName,
  type Group,
  makeGroups,
  makeRequest,
  presetName,
} from "./fields.ts";

export function NewRun({ data }: { data: PageData }) {
  const groups = makeGroups(data.settings);
  const fields = groups.flatMap((group) => group.fields);
  const values = useSignal<Record<string, string>>({});
  const name = useSignal<string | null>(null);
  const preset = useSignal("");
  const failure = useSignal<string | null>(null);
  const sending = useSignal(false);
  const checked = useSignal(false);
  useEffect(() => void loadJobs(), []);

  const base = presetName(preset.value, values.value, data);
  const taken = [
    ...(valueOf(adapters.value) ?? []).map(({ id }) => id),
    ...(valueOf(jobs.value) ?? []).map(({ adapter }) => adapter),
  ];
  const shownName = name.value ?? freeName(base === "" ? "run" : base, taken);
  const wrong = fields.filter((field) =>
    fieldError(field, values.value[field.name] ?? "") !== null
  );

  async function start(event: Event) {
    event.preventDefault();
    checked.value = true;
    failure.value = null;
    const [first] = wrong;
    if (first !== undefined) {
      const field = document.getElementById(fieldId(first));
      const folded = field?.closest("details");
      if (folded) folded.open = true;
      field?.focus();
      return;
    }
    sending.value = true;
    try {
      const request = { name: shownName, preset: preset.value, values: values.value };
      const body = makeRequest(request, fields);
      const job = await getJson<Job>("/runs", { method: "POST", body });
      goTo({ view: "runs", id: job.id });
    } catch (error) {
      failure.value = sentenceOf(error);
      sending.value = false;
    }
  }

  const shared = {
    values: values.value,
    preset: data.presets[base],
    checked: checked.value,
    onChange: (field: string, value: string) => values.value = { ...values.value, [field]: value },
  };
  const own = (advanced: boolean) => groups.filter((group) => group.advanced === advanced);
  return (
    <>
      <p class="crumb">
        <a href="#/runs">Runs</a>
      </p>
      <header class="view-head">
        <ViewTitle>New run</ViewTitle>
      </header>
      <form class="card run-form" onSubmit={start} noValidate>
        <fieldset>
          <legend>Run</legend>
          <div class="fields">
            <div class="field">
              <label for="run-name">Name</label>
              <input
                id="run-name"
                value={shownName}
                required
                maxLength={100}
                aria-describedby="about-run-name"
                autocomplete="off"
                spellcheck={false}
                onInput={(event) => name.value = event.currentTarget.value}
              />
              <p class="help" id="about-run-name">
                the adapter's name: letters, digits, <code>-</code>, <code>_</code> and{" "}
                <code>.</code>
              </p>
            </div>
            <div class="field">
              <label for="run-preset">Preset</label>
              <select
                id="run-preset"
                value={preset.value}
                aria-describedby="about-run-preset"
                onChange={(event) => preset.value = event.currentTarget.value}
              >
                <option value="">chosen by the model</option>
                {Object.keys(data.presets).map((name) => (
                  <option key={name} value={name}>{name}</option>
                ))}
              </select>
              <p class="help" id="about-run-preset">
                {data.presets[base]?.description ?? "the defaults of every setting"}
              </p>
            </div>
          </div>
        </fieldset>
        {own(false).map((group) => <Fields key={group.title} group={group} {...shared} />)}
        <details class="folded">
          <summary>Advanced settings</summary>
          {own(true).map((group) => <Fields key={group.title} group={group} {...shared} />)}
        </details>
        <Failure text={failure.value} />
        <div class="row">
          <button type="submit" class="button primary" disabled={sending.value}>
            {sending.value ? "Starting" : "Start the run"}
          </button>
          <a class="button" href="#/runs">Back</a>
        </div>
      </form>
    </>
  );
}

interface FieldsProps {
  group: Group;
  values: Record<string, string>;
  preset: Preset | undefined;
  checked: boolean;
  onChange: (name: string, value: string) => void;
}

function Fields({ group, values, preset, checked, onChange }: FieldsProps) {
  return (
    <fieldset>
      <legend>{group.title}</legend>
      <div class="fields">
        {group.fields.map((field) => (
          <FieldRow
            key={field.name}
            field={field}
            value={values[field.name] ?? ""}
            preset={preset}
            checked={checked}
            onChange={(value) => onChange(field.name, value)}
          />
        ))}
      </div>
    </fieldset>
  );
}

function FieldRow({ field, value, preset, checked, onChange }: {
  field: Field;
  value: string;
  preset: Preset | undefined;
  checked: boolean;
  onChange: (value: string) => void;
}) {
  // Not before the first try to start: a line that appears as a field is left would move the button
  // away from under the pointer.
  const error = checked ? fieldError(field, value) : null;
  const id = fieldId(field);
  const empty = defaultText(field, preset);
  const shared = {
    id,
    value,
    "aria-describedby": error === null ? `${id}-help` : `${id}-help ${id}-error`,
    "aria-invalid": error !== null,
  };
  return (
    <div class="field">
      <label for={id}>
        <code>{field.name}</code>
      </label>
      {field.kind === "choice"
        ? (
          <select {...shared} onChange={(event) => onChange(event.currentTarget.value)}>
            <option value="">{empty === "" ? "not set" : `${empty} (default)`}</option>
            {field.choices.map((choice) => <option key={choice} value={choice}>{choice}</option>)}
          </select>
        )
        : (
          <input
            {...shared}
            type="text"
            inputMode={field.kind === "number" ? (field.whole ? "numeric" : "decimal") : undefined}
            placeholder={empty === "" ? "not set" : empty}
            autocomplete="off"
            spellcheck={false}
            onInput={(event) => onChange(event.currentTarget.value)}
          />
        )}
      <p class="help" id={`${id}-help`}>
        <InlineText parts={parseInline(field.help)} />
      </p>
      {error !== null && <p class="error" id={`${id}-error`}>{error}</p>}
    </div>
  );
}

function fieldId({ name }: Field): string {
  return `setting-${name}`;
}

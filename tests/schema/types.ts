// Grafana's own types, loosened so that JSON can be checked against them: an enum takes its values as literals.
// (Numbers are told from numeric enums by their text: a number is assignable to any numeric enum.)
import type { Dashboard, FieldConfig, Panel, RowPanel } from '@grafana/schema';
import type * as BarGauge from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type * as Heatmap from '@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen';
import type * as Stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as Timeline from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import type * as Table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type * as TimeSeries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

export type Plain<T> = unknown extends T
  ? T
  : T extends string
    ? string extends T ? string : `${T}`
    : T extends number
      ? `${number}` extends `${T}` ? number : `${T}` extends `${infer N extends number}` ? N : never
      : T extends boolean | null | undefined
        ? T
        : T extends Array<infer Item>
          ? Array<Plain<Item>>
          : T extends object
            ? { [K in keyof T]: Plain<T[K]> }
            : T;

// A panel without what depends on its type, which is checked on its own below.
export type AnyPanel = Plain<Omit<Panel, 'options' | 'fieldConfig'>>;
export type AnyRow = Plain<Omit<RowPanel, 'panels'>>;
export type AnyDashboard = Plain<Omit<Dashboard, 'panels'>>;
export type Fields = Plain<Omit<FieldConfig, 'custom'>>;

export interface Options {
  bargauge: Plain<BarGauge.Options>;
  heatmap: Plain<Heatmap.Options>;
  stat: Plain<Stat.Options>;
  'state-timeline': Plain<Timeline.Options>;
  table: Plain<Table.Options>;
  timeseries: Plain<TimeSeries.Options>;
}

export interface Custom {
  bargauge: Record<string, never>;
  heatmap: Plain<Heatmap.FieldConfig>;
  stat: Record<string, never>;
  'state-timeline': Plain<Timeline.FieldConfig>;
  table: Plain<Table.FieldConfig>;
  timeseries: Plain<TimeSeries.FieldConfig>;
}

/** meta.k8s.io/v1 Table: what `kubectl get` prints. */
export interface TableColumn {
  name: string;
  type: 'string' | 'integer' | 'date';
  format: string;
  description: string;
  /** 0: always shown, 1: only with `-o wide`. */
  priority: number;
}

export interface TableRow {
  cells: (string | number | null)[];
  /** PartialObjectMetadata, or the whole object with `includeObject=Object`. */
  object?: unknown;
}

export interface Table {
  apiVersion: string;
  kind: 'Table';
  metadata: { resourceVersion?: string; continue?: string; remainingItemCount?: number };
  columnDefinitions: TableColumn[];
  rows: TableRow[];
}

/** A column definition. `wide` columns are shown with `-o wide` only. */
export function column(name: string, type: TableColumn['type'] = 'string', wide?: 'wide'): TableColumn {
  const format = name === 'Name' ? 'name' : '';
  return { name, type, format, description: descriptions[name] ?? name, priority: wide ? 1 : 0 };
}

const descriptions: Readonly<Record<string, string>> = {
  Name: 'Name of the object, unique within its namespace',
  Age: 'Time since the object was created',
};

export interface Page {
  readonly name: string;
  readonly imports: string;
  readonly from: string;
  readonly most: number;
}
export const pages: readonly Page[];
export function measure(source: string): Promise<{ plain: number; gzip: number }>;
export function page(page: Page, dir?: string, ext?: string): Promise<{ plain: number; gzip: number }>;

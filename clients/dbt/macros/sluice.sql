{# dbt-postgres makes a relation under another name and renames it. A table of Sluice is a Delta folder of its name and is not
   renamed, and there are no temporary tables: these three materializations do without. #}

{% materialization view, adapter='postgres' %}
  {%- set old = load_cached_relation(this) -%}
  {%- set target = this.incorporate(type='view') -%}
  {{ run_hooks(pre_hooks) }}
  {%- if old is not none and not old.is_view %}{{ adapter.drop_relation(old) }}{% endif -%}
  {% call statement('main') -%} create or replace view {{ target }} as {{ sql }} {%- endcall %}
  {% do persist_docs(target, model) %}
  {{ run_hooks(post_hooks) }}
  {{ adapter.commit() }}
  {{ return({'relations': [target]}) }}
{% endmaterialization %}

{# Dropped and made again: for a moment it is not there. #}
{% materialization table, adapter='postgres' %}
  {%- set old = load_cached_relation(this) -%}
  {%- set target = this.incorporate(type='table') -%}
  {{ run_hooks(pre_hooks) }}
  {%- if old is not none %}{{ adapter.drop_relation(old) }}{% endif -%}
  {% call statement('main') -%} {{ create_table_as(False, target, sql) }} {%- endcall %}
  {% do persist_docs(target, model) %}
  {{ run_hooks(post_hooks) }}
  {{ adapter.commit() }}
  {{ return({'relations': [target]}) }}
{% endmaterialization %}

{# Rows are appended; with a unique_key, those that had its values are deleted first. The new rows are written down before that: what the
   model asks of its own table must not see the deletion. #}
{% materialization incremental, adapter='postgres' %}
  {%- set old = load_cached_relation(this) -%}
  {%- set target = this.incorporate(type='table') -%}
  {%- set key = config.get('unique_key') -%}
  {{ run_hooks(pre_hooks) }}
  {%- if old is none or should_full_refresh() %}
    {%- if old is not none %}{{ adapter.drop_relation(old) }}{% endif -%}
    {% call statement('main') -%} {{ create_table_as(False, target, sql) }} {%- endcall %}
  {%- elif key %}
    {%- set new = target.incorporate(path={'identifier': target.identifier ~ '__dbt_new'}) -%}
    {% call statement('old') -%} drop table if exists {{ new }} {%- endcall %}
    {% call statement('new') -%} {{ create_table_as(False, new, sql) }} {%- endcall %}
    {% call statement('delete') -%} delete from {{ target }} where {{ key }} in (select {{ key }} from {{ new }}) {%- endcall %}
    {% call statement('main') -%} insert into {{ target }} select * from {{ new }} {%- endcall %}
    {% call statement('done') -%} drop table {{ new }} {%- endcall %}
  {%- else %}
    {% call statement('main') -%} insert into {{ target }} {{ sql }} {%- endcall %}
  {%- endif %}
  {{ run_hooks(post_hooks) }}
  {{ adapter.commit() }}
  {{ return({'relations': [target]}) }}
{% endmaterialization %}

{# dbt-postgres makes a relation under another name, moves what has its name out of the way, and drops that at the end with the views that
   read it; the run makes them again. What views read is not renamed in Sluice, so it is dropped where it would be moved: by then
   the new one is there, and takes its name next. #}

{% macro postgres__rename_relation(from_relation, to_relation) -%}
  {%- if to_relation.identifier.endswith('__dbt_backup') -%}
    {% call statement('rename_relation') -%}
      drop {{ from_relation.type }} if exists {{ from_relation.render() }} cascade
    {%- endcall %}
  {%- else -%}
    {{ default__rename_relation(from_relation, to_relation) }}
  {%- endif -%}
{%- endmacro %}

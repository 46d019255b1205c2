# shellcheck shell=bash disable=SC2034,SC2154
# Option parsing of run.sh: `--name VALUE` or `--name=VALUE` sets a variable that run.sh has declared.

wrong() { # message: prints one line and exits with status 2
  echo "run.sh: $1" >&2
  exit 2
}

parse_options() {
  local option value name max_missing=''
  while (($#)); do
    option=$1
    shift
    case $option in
      -h | --help) usage; exit 0 ;;
      --resample | --allow-pipes)
        settings+=(--set "prepare.${option#--}=true" --set "features.${option#--}=true")
        continue
        ;;
      --download)
        settings+=(--set prepare.download=true)
        continue
        ;;
      --force)
        force=yes
        continue
        ;;
      --from-scratch)
        from_scratch=yes
        continue
        ;;
      --*=*) value=${option#*=} option=${option%%=*} ;;
      --*)
        (($#)) || wrong "$option: needs a value; see --help"
        value=$1
        shift
        ;;
      *) wrong "$option: not an option; see --help" ;;
    esac
    name=${option#--}
    name=${name//-/_}
    case $option in
      --stage | --stop-stage | --nj | --workers | --seed | --rounds | --vocab)
        [[ $value =~ ^[0-9]{1,9}$ ]] || wrong "$option $value: not a number"
        printf -v "$name" '%d' "$((10#$value))"
        ;;
      --recipe | --model)
        [[ $value =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]*$ ]] || wrong "$option $value: not a plain name"
        printf -v "$name" '%s' "$value"
        ;;
      --units)
        [[ $value =~ ^(chars|spm|own)$ ]] || wrong "--units $value: one of chars, spm, own"
        units=$value
        ;;
      --hours | --encoding) settings+=(--set "prepare.${option#--}=$value") ;;
      --max-missing)
        [[ $value =~ ^(0|1|0?\.[0-9]+|1\.0*)$ ]] || wrong "--max-missing $value: not a share from 0 to 1"
        max_missing=$value
        ;;
      --text-from | --table | --columns | --name-pattern | --speaker-pattern | --channel)
        [[ -n $value ]] || wrong "$option: needs a value; see --help"
        settings+=(--set "prepare.${option#--}=$value")
        ;;
      --rate-hz) settings+=(--set "prepare.rate-hz=$value" --set "features.rate-hz=$value") ;;
      --perturb)
        [[ $value =~ ^(speed|noisy)$ ]] || wrong "--perturb $value: one of speed, noisy"
        perturb=$value
        ;;
      --exp)
        exp=$(from_caller "$value")
        [[ -n ${exp//[\/.]/} && $exp != "${HOME:-/}" && $exp != *[[:cntrl:]]* ]] || wrong "--exp '$value': name a separate folder"
        [[ ! -e $exp || -d $exp ]] || wrong "--exp $exp: is a file; name a folder"
        ;;
      --corpus-dir | --train-dir | --test-dir | --dev-dir | --lang-dir | --ali-dir | --lm-text)
        value=$(from_caller "$value")
        [[ -e $value ]] || wrong "$option $value: no such file or folder"
        printf -v "$name" '%s' "$value"
        ;;
      --set)
        [[ $value == *.*=* ]] || wrong "--set $value: write --set VERB.KEY=VALUE"
        settings+=(--set "$value")
        ;;
      *) wrong "$option: no such option; see --help" ;;
    esac
  done
  if [[ -n $max_missing ]]; then
    for name in prepare features align train realign decode; do
      [[ $recipe == mini && $name == prepare ]] || settings=(--set "$name.max-missing=$max_missing" "${settings[@]}")
    done
  fi
  [[ -f recipes/$recipe/prepare.py ]] || wrong "--recipe $recipe: there is no recipes/$recipe/prepare.py"
  ((stage >= 1 && stage <= stop_stage && stop_stage <= 9)) ||
    wrong "stages run from 1 to 9: --stage $stage --stop-stage $stop_stage"
  [[ -z $from_scratch || -z $ali_dir ]] || wrong "--from-scratch makes alignments, --ali-dir loads them: pass only one of both"
  [[ -z $lang_dir || (${units:-chars} == chars && -z $vocab) ]] ||
    wrong "--units and --vocab choose the words of a new lang directory, --lang-dir names a finished one"
}

from_caller() { # path: prints it relative to the folder where run.sh was started; expands ~ in --option=~/x
  local path=$1
  if [[ $path == [~] || $path == [~]/* ]]; then path=$HOME${path:1}; fi
  while [[ $path == ?*/ ]]; do path=${path%/}; done
  case $path in
    '' | /*) echo "$path" ;;
    *) realpath -m --relative-to="$PWD" -- "$started_in/$path" ;;
  esac
}
